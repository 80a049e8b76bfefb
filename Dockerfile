# The binary is static, so the image holds it, the certificates of public
# authorities and nothing else: no shell, no package manager.
# What builds it is pinned by the digest of its index, which has amd64 and arm64; the
# tag says what that is. To renew: docker buildx imagetools inspect golang:<tag>
# It runs on the machine that builds and compiles for the one that is asked for.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
ARG TARGETOS=linux
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath \
      -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
      -o /out/bridge ./cmd/bridge \
 && mkdir -p /out/state

FROM scratch
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="chatbridge" \
      org.opencontainers.image.description="Keeps a CRM's screens alive when its chat server is down" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bridge /bridge
# Keeps how far changes were confirmed to the database (replay.state_file): give
# it a volume, or a new container knows only what the database remembers. Webhooks
# (spool.dir: /var/lib/chatbridge/spool) are lost with a container without one.
COPY --from=build --chown=65534:65534 /out/state /var/lib/chatbridge
ENV STATE_DIRECTORY=/var/lib/chatbridge
# No name service in the image: the numbers of `nobody`. Nothing else is written,
# so the root may be read-only.
USER 65534:65534
EXPOSE 8080
# Ends in good order, within 10 s (give it 15: --stop-timeout).
STOPSIGNAL SIGTERM
# Does the process serve? Whether events flow is /readyz's to say: a restart
# does not bring back a database. Metrics and status stay inside the container
# unless BRIDGE_ADMIN_LISTEN says otherwise.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/bridge", "healthcheck"]
ENTRYPOINT ["/bridge"]
CMD ["serve"]
