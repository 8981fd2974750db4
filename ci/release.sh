#!/usr/bin/env bash
# Makes the files of a release in dist/: ci/release.sh [VERSION]. An archive for each system,
# a bill of materials for each binary, the notes from CHANGELOG.md, and SHA256SUMS. Without a
# version it is that of the tag on HEAD, else a rehearsal. The same commit and the same Go make
# the same bytes (docs/release.md). Takes minutes: SQLite is compiled for six systems. It needs zip.
set -euo pipefail
cd "$(dirname "$0")/.."
COMMIT=$(git rev-parse HEAD)
export COMMIT
tag=$(git describe --exact-match --tags 2>/dev/null || true)
version=${1:-${tag:-v0.0.0-$(git rev-parse --short=12 HEAD)}}
export VERSION=${version#v}
stamp=$(git show -s --format=%cI HEAD)
rm -rf dist
mkdir dist
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
git archive "$COMMIT" | tar -x -C "$source" # what is committed, whatever happens here meanwhile

# The section of this version, or what is to be the next one.
notes() {
  awk -v version="$1" '/^## /{found = ($2 == version)} found' "$source/CHANGELOG.md"
}
notes "$VERSION" >dist/notes.md
[ -s dist/notes.md ] || notes Unreleased >dist/notes.md
if [ -n "$tag" ] && ! grep -q "^## $VERSION" dist/notes.md; then
  echo "CHANGELOG.md has no section $VERSION" >&2
  exit 1
fi

go build -o "$source/sbom" ./ci/sbom
for system in linux darwin windows; do
  for machine in amd64 arm64; do
    name=hullbeam-$VERSION-$system-$machine
    binary=hullbeam
    [ $system != windows ] || binary=hullbeam.exe
    mkdir "dist/$name"
    GOOS=$system GOARCH=$machine "$source/ci/build.sh" "$PWD/dist/$name/$binary"
    "$source/sbom" "dist/$name/$binary" "$source/static/admin/package-lock.json" >"dist/$name.sbom.json"
    (cd "$source" && cp LICENSE README.md CHANGELOG.md config.yaml "$OLDPWD/dist/$name/")
    [ $system != linux ] || cp "$source/deploy/systemd/hullbeam.service" "dist/$name/"
    find "dist/$name" -exec touch -h -d "$stamp" {} +
    if [ $system = windows ]; then
      (cd dist && find "$name" -type f | LC_ALL=C sort | TZ=UTC zip -q -X "$name.zip" -@)
    else
      tar -C dist --sort=name --owner=0 --group=0 --numeric-owner --mode=go-w --mtime="$stamp" -c "$name" | gzip -9n >"dist/$name.tar.gz"
    fi
    rm -r "dist/$name"
  done
done
(cd dist && sha256sum -- *.tar.gz *.zip *.json >SHA256SUMS)
ls -l dist
