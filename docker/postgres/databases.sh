#!/bin/bash
# A role and a database for each tool, which no other role may enter; run at every start, so that one that was cut short
# is completed, and a password that was changed in `.env` is changed here too.
# Passwords are read from the environment by psql itself: they are no argument that `ps` would show.
set -euo pipefail
for name in airflow mlflow feast optuna predictions; do
  psql -q -v ON_ERROR_STOP=1 -v name="$name" <<SQL
\getenv password CONTENDER_${name^^}_DB_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
# The databases that come with the server have nothing for these roles.
psql -q -v ON_ERROR_STOP=1 -c 'REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC'
# Served models may add answers and read them, and nothing else: database and table are the superuser's, also those that
# an older stack left to their role. The table is as contender/adapters/predictions_postgres.py makes its own.
psql -q -v ON_ERROR_STOP=1 -d predictions <<'SQL'
SET client_min_messages = warning;
REASSIGN OWNED BY predictions TO CURRENT_USER;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE TABLE IF NOT EXISTS contender_predictions (
  request_id uuid NOT NULL PRIMARY KEY, client_id text, "time" timestamptz NOT NULL, model text NOT NULL,
  version text NOT NULL, variant text NOT NULL, endpoint text NOT NULL, latency_ms double precision NOT NULL,
  entities jsonb, at jsonb, features jsonb NOT NULL, unknown jsonb, predictions jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS contender_predictions_by_time ON contender_predictions (model, "time");
GRANT CONNECT ON DATABASE predictions TO predictions;
GRANT SELECT, INSERT ON contender_predictions TO predictions;
SQL
