# syntax=docker/dockerfile:1
# One image with all of Passbook's programs, for compose.yaml: both functions, lambda-local, which runs them as
# template.yaml says, and `passbook`, the operator's command line. `cargo dev check` holds it against the workspace.

# The Rust of the workspace (rust-version), on the Debian of the last stage: the programs use its OpenSSL and zlib.
FROM rust:1.95-bookworm AS build
# Debian replaces a version when it mends it, and a pinned one is soon gone.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake libssl-dev pkg-config zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /passbook
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
COPY functions functions
COPY simulation simulation
COPY tests tests
# What is compiled stays in the builder's cache from one build to the next, so the programs are copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/passbook/target \
    cargo build --release --locked --bin api --bin settler --bin lambda-local --bin passbook \
 && install -D --strip --target-directory=/out \
    target/release/api target/release/settler target/release/lambda-local target/release/passbook

FROM debian:bookworm-slim
# curl asks /health for the health checks; the certificates are for brokers and a MongoDB that speak TLS.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ /usr/local/bin/
COPY template.yaml /etc/passbook/template.yaml
# Nobody's files: the programs write none.
USER 10001:10001
WORKDIR /
CMD ["passbook", "--help"]
