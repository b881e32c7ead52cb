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
