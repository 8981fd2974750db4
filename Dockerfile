# The binary is static and needs nothing of a system but the certificates of those whom it asks: Hull.
#
#   docker build --build-arg VERSION=1.2.3 --build-arg COMMIT=$(git rev-parse HEAD) -t hullbeam .
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION= COMMIT= TARGETOS TARGETARCH
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH VERSION=$VERSION COMMIT=$COMMIT ci/build.sh /hullbeam \
 && mkdir /data

FROM scratch
ARG VERSION= COMMIT=
LABEL org.opencontainers.image.title="Hullbeam" \
      org.opencontainers.image.description="Streams what Hull knows about a visitor to the page that the visitor is looking at" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /hullbeam /hullbeam
COPY --from=build --chown=65532:65532 --chmod=700 /data /data
# All addresses, which Hullbeam refuses without SECRET.
ENV HULLBEAM_LISTEN=:8082 HULLBEAM_DATA_DIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 8082
# --live: what acts on it restarts the container, and a node whose Redis is away must not be
# restarted. Whoever asks to know where to send requests takes /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/hullbeam", "healthcheck", "--live"]
ENTRYPOINT ["/hullbeam"]
