.PHONY: run test lint race fuzz soak bench snippet admin attack sbom reproducible vulncheck
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
reproducible: ; ci/reproducible.sh
vulncheck: ; ci/vulncheck.sh
