#!/bin/sh
# nginx reads no environment: the network's name, with which served models' names begin, and the scheme of the address
# that people type are put in before it starts.
sed -e "s/@MODELS@/$MODELS/" -e "s/@SCHEME@/${URL%%:*}/" /etc/nginx/nginx.conf >/tmp/nginx.conf
exec nginx -c /tmp/nginx.conf -g "daemon off;"
