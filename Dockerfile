# The operator and its workers: one image, two sets of arguments (`operator`, `worker …`).
#
#   docker build -t videovector-operator:0.1.0 .
#
# Where pip fetches packages from can be given to the build as secrets; nothing of it stays in a layer:
#   docker build --secret id=pipconf,src=pip.conf --secret id=ca,src=ca.pem …

# Any image with Python >= 3.11 as `python3`, its venv module and CA certificates.
ARG BASE_IMAGE=docker.io/library/python:3.12-slim-bookworm

# --- the dependencies, in a virtual environment of their own -----------------------------------------------------------
FROM ${BASE_IMAGE} AS dependencies

RUN python3 -m venv /opt/venv
COPY requirements/runtime.txt /build/requirements.txt
# Wheels only: no package runs code of its own at build time. The environment needs no pip once it is filled.
RUN --mount=type=secret,id=pipconf,target=/etc/pip.conf,required=false \
    --mount=type=secret,id=ca,target=/run/secrets/ca,required=false \
    /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-compile \
        --require-hashes --only-binary :all: --requirement /build/requirements.txt \
    && /opt/venv/bin/pip uninstall --quiet --yes pip setuptools
# Compiled here because the running container may not write. "unchecked-hash": file times, which differ between builds,
# do not matter.
RUN /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib \
    && printf '%s\n' '#!/opt/venv/bin/python' 'import sys' 'from videovector_operator.__main__ import main' \
        'sys.exit(main())' > /opt/venv/bin/videovector-operator \
    && chmod 0755 /opt/venv/bin/videovector-operator \
    && echo /opt/videovector > "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/videovector.pth"

# --- what runs ---------------------------------------------------------------------------------------------------------
FROM ${BASE_IMAGE}

# The official Python images come without compiled files: without these every start would compile the standard library.
RUN python3 -m compileall -q -x '/(test|tests|idlelib|lib2to3|tkinter|turtledemo|ensurepip|site-packages|dist-packages)/' \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && groupadd --gid 10001 videovector \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin videovector
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=dependencies /opt/venv /opt/venv

ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="videovector-operator" \
      org.opencontainers.image.description="Declarative media imports for Kubernetes: the operator and its workers" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /tmp
ENTRYPOINT ["videovector-operator"]
CMD ["operator"]

# Last, so that a change of the code rebuilds nothing else.
COPY operator/videovector_operator /opt/videovector/videovector_operator
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/videovector
USER 10001:10001
