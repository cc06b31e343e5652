# The web app on a CPU: docker build -t vasa . && docker run -p 7860:7860 vasa
FROM python:3.12-slim
WORKDIR /app
COPY packages.txt .
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends $(cat packages.txt) && rm -rf /var/lib/apt/lists/*
COPY requirements.lock .
RUN python -m pip install -q --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN python -m vasa_core fetch-models
ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_ANALYTICS_ENABLED=False
EXPOSE 7860
CMD ["python", "app.py"]
