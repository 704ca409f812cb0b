# The few things one does with this house. `make help` lists them.
.PHONY: help demo test lint torture bench fuzz image deb

TIME ?= 60
TIMES ?= 10000

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 12

demo: ## an organisation in a minute: two people, a letter, what the server saw, two attacks
	@.ci/install
	@tests/demo.sh

test: ## everything that must hold: format, lints, dependencies, docs, tests, demo
	@.ci/install deny s3
	@.ci/check

lint: ## the quick half of make test: format, lints, dependencies, docs
	@.ci/install deny
	@.ci/check lint

torture: ## TIMES=10000 kills of server and of clients, as many power cuts, every failing system call
	@.ci/install
	@TIMES=$(TIMES) .ci/torture

bench: ## what people wait for, letters a second, memory: each beside its bar and this machine's limit
	@.ci/install age
	@RUSTUP_TOOLCHAIN=$$(.ci/toolchain) cargo build --release --locked -p valise-server
	@RUSTUP_TOOLCHAIN=$$(.ci/toolchain) cargo bench --locked -p valise-client \
	  --features soft-key,weaken --bench load

image: ## the server's container image: built, measured, and used for a letter (as root; brings Docker)
	@.ci/install
	@tests/image.sh

deb: ## the server as a Debian package, for systemd
	@.ci/install
	@server/debian/build.sh

fuzz: ## feed every decoder nonsense, TIME=60 seconds each (needs a nightly toolchain)
	@.ci/install fuzz
	@TIME=$(TIME) .ci/fuzz
