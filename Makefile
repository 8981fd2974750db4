.PHONY: run test lint race fuzz soak bench snippet admin
run: ; go run .
test: ; ci/test.sh
lint: ; ci/lint.sh
race: ; go test -race ./...
fuzz: ; ci/fuzz.sh 10m
soak: ; ci/soak.sh
bench: ; ci/bench.sh
snippet: ; ci/snippet.sh
admin: ; ci/admin.sh
