#!/bin/sh
# Database 0 is Feast's online store, database 1 the broker of Celery. What is written is on disk within a second.
# Nothing is evicted: a full store refuses the load and says so, rather than serve with features missing.
# The user `serving` may do what the serving app's reader does (contender/adapters/online_redis.py), and nothing else.
exec redis-server - <<CONFIG
bind 0.0.0.0
dir /data
appendonly yes
appendfsync everysec
maxmemory ${REDIS_MAXMEMORY}
maxmemory-policy noeviction
user default on >${REDIS_PASSWORD} ~* &* +@all
user serving on >${REDIS_READER_PASSWORD} ~contender:* resetchannels -@all +hmget +multi +exec +discard +auth +hello +select +ping
CONFIG
