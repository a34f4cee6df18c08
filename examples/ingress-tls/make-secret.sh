#!/bin/sh
# Makes secret.yaml and ca.crt in the given directory (this one): a certificate for shop.example.com.
set -e
cd "${1:-$(dirname "$0")}"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=shop.example.com \
  -addext subjectAltName=DNS:shop.example.com -keyout key.tmp -out ca.crt 2> /dev/null
{
  echo 'apiVersion: v1'
  echo 'kind: Secret'
  echo 'metadata: {name: shop-tls, namespace: istio-system}'
  echo 'type: kubernetes.io/tls'
  echo 'stringData:'
  echo '  tls.crt: |'
  sed 's/^/    /' ca.crt
  echo '  tls.key: |'
  sed 's/^/    /' key.tmp
} > secret.yaml
rm key.tmp
