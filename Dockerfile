# The service on a processor, with its models: docker build -t sonoscope . && docker run -p 8000:8000 sonoscope
FROM python:3.11-slim
RUN useradd --create-home --uid 10001 sonoscope && install -d -o sonoscope /state
WORKDIR /opt/sonoscope
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt ".[serve,eval,tables]"
USER sonoscope
VOLUME /state
EXPOSE 8000
HEALTHCHECK --start-period=20s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["sonoscope", "serve", "--host", "0.0.0.0", "--port", "8000", "--state", "/state"]
