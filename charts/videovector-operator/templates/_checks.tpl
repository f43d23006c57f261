{{/* What values.schema.json cannot see: values that contradict each other. Each message names them and the fix. */}}
{{- define "videovector.checks" -}}
{{- $catalog := .Values.catalog -}}
{{- if and $catalog.postgresql.enabled $catalog.existingSecret.name -}}
{{- fail "catalog.existingSecret.name names a database of your own, but catalog.postgresql.enabled is true: set catalog.postgresql.enabled=false to use yours" -}}
{{- end -}}
{{- if not (or $catalog.postgresql.enabled $catalog.existingSecret.name) -}}
{{- fail "there is no catalog: set catalog.existingSecret.name to a Secret with the connection string of your PostgreSQL, or catalog.postgresql.enabled=true" -}}
{{- end -}}
{{- if and $catalog.postgresql.enabled (eq $catalog.migration.mode "hook") -}}
{{- fail "catalog.migration.mode=hook runs before the database of catalog.postgresql.enabled exists: use catalog.migration.mode=auto" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled needs the Service to scrape: set metrics.service.enabled=true" -}}
{{- end -}}
{{- if and .Values.operatorApi.service.enabled (not .Values.operatorApi.enabled) -}}
{{- fail "operatorApi.service.enabled needs the API to serve: set operatorApi.enabled=true" -}}
{{- end -}}
{{- if and .Values.operatorApi.service.enabled (not .Values.operatorApi.tlsSecretName) -}}
{{- fail "operatorApi.service.enabled needs a certificate that clients can verify: put one into a Secret of type kubernetes.io/tls and name it in operatorApi.tlsSecretName" -}}
{{- end -}}
{{- if and .Values.operatorApi.service.enabled (or (hasPrefix "127." .Values.operatorApi.host) (has .Values.operatorApi.host (list "::1" "localhost"))) -}}
{{- fail "operatorApi.service.enabled leads to a pod that listens on loopback only: set operatorApi.host=0.0.0.0" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: name the account that the operator shall run as" -}}
{{- end -}}
{{- end -}}
