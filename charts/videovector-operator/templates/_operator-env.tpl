{{/* The operator's settings: VIDEOVECTOR_<NAME> for each field of settings.py, in its order. */}}
{{- define "videovector.operatorEnv" -}}
{{- $operator := .Values.operator -}}
{{- $worker := .Values.worker -}}
- name: VIDEOVECTOR_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: VIDEOVECTOR_POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: VIDEOVECTOR_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: VIDEOVECTOR_LEASE_NAME
  value: {{ include "videovector.leaseName" . | quote }}
- name: VIDEOVECTOR_LEASE_DURATION_SECONDS
  value: {{ int64 $operator.leaseDurationSeconds | quote }}
- name: VIDEOVECTOR_WORKERS
  value: {{ int64 $operator.workers | quote }}
- name: VIDEOVECTOR_API_WRITES_PER_SECOND
  value: {{ $operator.apiWritesPerSecond | quote }}
- name: VIDEOVECTOR_API_WRITE_BURST
  value: {{ int64 $operator.apiWriteBurst | quote }}
- name: VIDEOVECTOR_RESYNC_SECONDS
  value: {{ $operator.resyncSeconds | quote }}
- name: VIDEOVECTOR_HTTP_HOST
  value: {{ $operator.httpHost | quote }}
- name: VIDEOVECTOR_HTTP_PORT
  value: {{ int64 $operator.httpPort | quote }}
- name: VIDEOVECTOR_LOG_LEVEL
  value: {{ $operator.logLevel | quote }}
- name: VIDEOVECTOR_LOG_FORMAT
  value: {{ $operator.logFormat | quote }}
- name: VIDEOVECTOR_STORAGE_TIMEOUT_SECONDS
  value: {{ $operator.storageTimeoutSeconds | quote }}
- name: VIDEOVECTOR_ALLOW_LOOPBACK_ENDPOINTS
  value: {{ $operator.allowLoopbackEndpoints | quote }}
- name: VIDEOVECTOR_LISTS_COMMAND
  value: {{ $operator.listsCommand | default (include "videovector.listsCommand" .) | quote }}
- name: VIDEOVECTOR_API_HOST
  value: {{ .Values.operatorApi.host | quote }}
- name: VIDEOVECTOR_API_PORT
  value: {{ ternary (int64 .Values.operatorApi.port) 0 .Values.operatorApi.enabled | quote }}
- name: VIDEOVECTOR_API_CLIENT_CERTIFICATES
  value: {{ .Values.operatorApi.clientCertificates | quote }}
{{- if .Values.operatorApi.tlsSecretName }}
- name: VIDEOVECTOR_API_TLS_DIRECTORY
  value: {{ include "videovector.apiTlsDirectory" . | quote }}
{{- end }}
{{ include "videovector.catalogEnv" . }}
{{- with .Values.catalog.workerExistingSecret.name }}
- name: VIDEOVECTOR_CATALOG_WORKER_DSN
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.catalog.workerExistingSecret.key }}
{{- end }}
- name: VIDEOVECTOR_CATALOG_POOL_SIZE
  value: {{ int64 .Values.catalog.poolSize | quote }}
- name: VIDEOVECTOR_WORKER_IMAGE
  value: {{ $worker.image | default (include "videovector.image" .) | quote }}
- name: VIDEOVECTOR_WORKER_IMAGE_PULL_POLICY
  value: {{ $worker.imagePullPolicy | quote }}
{{- with $worker.imagePullSecrets }}
- name: VIDEOVECTOR_WORKER_IMAGE_PULL_SECRETS
  value: "{{ range $index, $secret := . }}{{ if $index }},{{ end }}{{ $secret.name }}{{ end }}"
{{- end }}
- name: VIDEOVECTOR_WORKER_SERVICE_ACCOUNT
  value: {{ $worker.serviceAccountName | default "default" | quote }}
- name: VIDEOVECTOR_WORKER_ENV
  value: {{ toJson $worker.env | quote }}
- name: VIDEOVECTOR_WORKER_RESOURCES
  value: {{ toJson $worker.resources | quote }}
- name: VIDEOVECTOR_WORKER_BACKOFF_LIMIT
  value: {{ int64 $worker.backoffLimit | quote }}
{{- with $worker.activeDeadlineSeconds }}
- name: VIDEOVECTOR_WORKER_ACTIVE_DEADLINE_SECONDS
  value: {{ int64 . | quote }}
{{- end }}
- name: VIDEOVECTOR_WORKER_POD_TEMPLATE
  value: {{ toJson $worker.podTemplate | quote }}
{{- end -}}

{{/* How people print a run's full lists: by the plugin, or in the operator's pod where its API is not served. */}}
{{- define "videovector.listsCommand" -}}
{{- if not .Values.operatorApi.enabled -}}
{{- printf "kubectl -n %s exec deploy/%s -c operator -- videovector-operator files {run}" .Release.Namespace (include "videovector.fullname" .) -}}
{{- else if eq .Release.Namespace "videovector-system" -}}
kubectl videovector files {name} -n {namespace}
{{- else -}}
{{- printf "kubectl videovector files {name} -n {namespace} --operator-namespace %s" .Release.Namespace -}}
{{- end -}}
{{- end -}}
