#!/usr/bin/env bash
# Run by LocalStack when it is ready (/etc/localstack/init/ready.d): creates both functions from their packages, the URL of
# `api` and the event source of `settler`, with the values of template.yaml. docs/localstack.md tells how to use it.
#
# The values are written out, so that a reader sees each call as it is; `cargo dev check` runs this script against AWS's
# own description of the calls and holds every value against template.yaml.
#
#   PASSBOOK_PACKAGES        <function>/bootstrap.zip, as `cargo lambda build --output-format zip` leaves them
#   PASSBOOK_ARCHITECTURE    what they were built for: arm64 or x86_64
#   KAFKA_BOOTSTRAP_SERVERS  the brokers, as the functions and LocalStack reach them
#   MONGODB_URI_FILE         a file with MongoDB's connection string
set -euo pipefail

packages=${PASSBOOK_PACKAGES:-/opt/passbook}
architecture=${PASSBOOK_ARCHITECTURE:-arm64}
brokers=${KAFKA_BOOTSTRAP_SERVERS:-kafka:9092}
mongodb=$(< "${MONGODB_URI_FILE:-/run/secrets/mongodb_uri}")

role=$(awslocal iam create-role --role-name passbook --query Role.Arn --output text \
    --assume-role-policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}')

# A Kafka and a MongoDB of one's own; the brokers of compose.yaml let everybody in.
variables="{\"Variables\": {
    \"KAFKA_BOOTSTRAP_SERVERS\": \"$brokers\",
    \"APPEND_TIMEOUT_MS\": \"5000\",
    \"MONGODB_URI\": \"$mongodb\",
    \"MONGODB_DATABASE\": \"passbook\",
    \"RUST_LOG\": \"info\"
}}"

awslocal lambda create-function \
    --function-name api \
    --description "Checks a request, appends it to the log, answers; reads accounts." \
    --runtime provided.al2023 --handler bootstrap --architectures "$architecture" \
    --zip-file "fileb://$packages/api/bootstrap.zip" --role "$role" \
    --memory-size 512 --timeout 10 \
    --environment "$variables"

# Whoever calls it signs with AWS IAM; LocalStack takes unsigned requests too.
awslocal lambda create-function-url-config --function-name api --auth-type AWS_IAM

awslocal lambda create-function \
    --function-name settler \
    --description "Settles batches of the log into accounts, exactly once." \
    --runtime provided.al2023 --handler bootstrap --architectures "$architecture" \
    --zip-file "fileb://$packages/settler/bootstrap.zip" --role "$role" \
    --memory-size 1024 --timeout 60 \
    --environment "$variables"

awslocal lambda wait function-active-v2 --function-name settler

awslocal lambda create-event-source-mapping \
    --function-name settler \
    --self-managed-event-source "{\"Endpoints\":{\"KAFKA_BOOTSTRAP_SERVERS\":[\"${brokers//,/\",\"}\"]}}" \
    --topics passbook.commands \
    --self-managed-kafka-event-source-config ConsumerGroupId=passbook-settler \
    --starting-position TRIM_HORIZON \
    --batch-size 5000 --maximum-batching-window-in-seconds 0 \
    --provisioned-poller-config MinimumPollers=1,MaximumPollers=4 \
    --function-response-types ReportBatchItemFailures \
    --metrics-config Metrics=KafkaMetrics
