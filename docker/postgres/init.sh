#!/bin/bash
# Runs once, on an empty volume: a role and a database for each tool, which no other role may enter.
# Passwords are read from the environment by psql itself: they are no argument that `ps` would show.
set -euo pipefail
for name in airflow mlflow feast optuna; do
  psql -v ON_ERROR_STOP=1 -v name="$name" -U "$POSTGRES_USER" -d postgres >/dev/null <<SQL
\getenv password CONTENDER_${name^^}_DB_PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
