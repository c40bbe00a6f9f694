# The server, or with `python /opt/pay/cli.py run` the server and WeChat's stand-in. Holds no setting and no secret.
# The tests run on Python 3.11; every dependency comes as a wheel, so no compiler is needed, here or while building.
FROM python:3.11-slim-bookworm

RUN useradd --system --uid 10001 --home-dir /var/lib/pay --create-home --shell /usr/sbin/nologin pay

WORKDIR /opt/pay
COPY requirements.txt .
RUN pip install --no-cache-dir --only-binary :all: -r requirements.txt
COPY . .
RUN python -m compileall -q .

# Whoever may reach the port decides compose.yaml, or --publish. The rest is as on a machine of its own: the program in
# /opt/pay belongs to root, and an SQLite file lies in /var/lib/pay/var, which must be a volume.
ENV HOST=0.0.0.0 \
    PORT=8000 \
    PYTHONPATH=/opt/pay \
    PYTHONUNBUFFERED=1
USER pay
WORKDIR /var/lib/pay
EXPOSE 8000

HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]

# No shell between: SIGTERM reaches the server, which finishes what it accepted.
CMD ["python", "/opt/pay/server.py"]
