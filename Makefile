# The few things one does with this house. `make help` lists them.
.PHONY: help demo test lint bench fuzz

TIME ?= 60

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 12

demo: ## an organisation in a minute: two people, a letter, what the server saw, two attacks
	@.ci/install
	@tests/demo.sh

test: ## everything that must hold: format, lints, dependencies, docs, tests, demo
	@.ci/install deny
	@.ci/check

lint: ## the quick half of make test: format, lints, dependencies, docs
	@.ci/install deny
	@.ci/check lint

bench: ## letters a second, a long log replayed: every test in a speed.rs, as released
	@.ci/install
	@RUSTUP_TOOLCHAIN=$$(.ci/toolchain) cargo test --release --locked -p valise-proto -p valise-server \
	  --lib speed:: -- --ignored --nocapture --test-threads 1

fuzz: ## feed every decoder nonsense, TIME=60 seconds each (needs a nightly toolchain)
	@.ci/install fuzz
	@TIME=$(TIME) .ci/fuzz
