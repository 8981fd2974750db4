.PHONY: run test lint race fuzz soak bench snippet admin attack sbom helm release reproducible vulncheck
run: ; go run .
test: ; ci/test.sh
lint: ; ci/lint.sh
race: ; go test -race ./...
fuzz: ; ci/fuzz.sh 10m
soak: ; ci/soak.sh
bench: ; ci/bench.sh
attack: ; ci/attack.sh $(ARGS)
snippet: ; ci/snippet.sh
admin: ; ci/admin.sh
sbom: ; @ci/sbom.sh
helm: ; ci/helm.sh
release: ; ci/release.sh $(VERSION)
reproducible: ; ci/reproducible.sh
vulncheck: ; ci/vulncheck.sh
