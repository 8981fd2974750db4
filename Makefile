.PHONY: run test lint race fuzz soak bench
run: ; go run .
test: ; ci/test.sh
lint: ; ci/lint.sh
race: ; go test -race ./...
fuzz: ; ci/fuzz.sh 10m
soak: ; ci/soak.sh
bench: ; ci/bench.sh
