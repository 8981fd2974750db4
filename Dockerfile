# The binary is static and needs nothing of a system but the certificates of those whom it asks: Hull.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN VERSION=$VERSION ci/build.sh /hullbeam \
 && mkdir /data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /hullbeam /hullbeam
COPY --from=build --chown=65532:65532 --chmod=700 /data /data
# All addresses, which Hullbeam refuses without SECRET.
ENV HULLBEAM_LISTEN=:8082 HULLBEAM_DATA_DIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 8082
# No HEALTHCHECK: there is no shell to run one. Have the orchestrator ask /readyz.
ENTRYPOINT ["/hullbeam"]
