{{/* Parts of pods that several templates share. Every pod of this chart meets the Pod Security Standard "restricted". */}}

{{- define "videovector.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "videovector.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop:
    - ALL
{{- end -}}

{{- define "videovector.catalogEnv" -}}
- name: VIDEOVECTOR_CATALOG_DSN
  valueFrom:
    secretKeyRef:
      name: {{ include "videovector.catalogSecretName" . }}
      key: {{ include "videovector.catalogSecretKey" . }}
{{- end -}}

{{/* The container that brings the database to this version's schema: an init container or a hook Job's. */}}
{{- define "videovector.migrationContainer" -}}
name: migrate
image: {{ include "videovector.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - migrate
  - --wait
  - {{ int64 .Values.catalog.migration.waitSeconds | quote }}
env:
  {{- include "videovector.catalogEnv" . | nindent 2 }}
  - name: VIDEOVECTOR_LOG_LEVEL
    value: {{ .Values.operator.logLevel | quote }}
  - name: VIDEOVECTOR_LOG_FORMAT
    value: {{ .Values.operator.logFormat | quote }}
{{- with .Values.catalog.migration.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  {{- include "videovector.containerSecurity" . | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- end -}}
