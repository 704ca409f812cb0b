# The server in an image that holds nothing else: one static binary, no shell, nobody's root.
#
#   docker build -t valise .
#
# Whoever pins base images names one by digest: --build-arg RUST_IMAGE=rust:…@sha256:…
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm

FROM ${RUST_IMAGE} AS build
ENV CARGO_TERM_COLOR=never
RUN command -v musl-gcc >/dev/null || \
    { apt-get update && apt-get install -y --no-install-recommends musl-tools; }
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
# valised alone: together with the client, cargo would give it the client's SQLCipher.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p valise-server --target "$(uname -m)-unknown-linux-musl" && \
    install -D "target/$(uname -m)-unknown-linux-musl/release/valised" /out/usr/local/bin/valised
RUN install -d -m 0700 -o 65532 -g 65532 /out/data

FROM scratch
COPY --from=build /out /
ENV VALISED_DATA=/data VALISED_LISTEN=0.0.0.0:8443 VALISED_LOG_FORMAT=json
USER 65532:65532
VOLUME /data
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --retries=3 CMD ["/usr/local/bin/valised", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/valised"]
CMD ["serve"]
