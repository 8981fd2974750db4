.PHONY: run test lint race fuzz bench
run: ; go run .
test: ; ci/test.sh
lint: ; ci/lint.sh
race: ; go test -race ./...
fuzz: ; ci/fuzz.sh 10m
bench: ; ci/bench.sh
