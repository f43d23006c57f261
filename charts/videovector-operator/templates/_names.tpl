{{/* Names and labels of this release's objects. */}}

{{- define "videovector.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 49 characters at most: the longest suffix is "-postgresql-0" of a pod, and names of Services end at 63. */}}
{{- define "videovector.fullname" -}}
{{- $name := include "videovector.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 49 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 49 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 49 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "videovector.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "videovector.fullname" .) -}}
{{- end -}}

{{- define "videovector.leaseName" -}}
{{- .Values.operator.leaseName | default (include "videovector.fullname" .) -}}
{{- end -}}

{{/* Labels that never change: selectors are immutable. Argument: (list $ component). */}}
{{- define "videovector.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "videovector.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of pods: without versions, so that an upgrade restarts only what has changed. Ours win over the user's.
     Argument: (list $ component extraLabels). */}}
{{- define "videovector.podLabels" -}}
{{- $ours := include "videovector.selectorLabels" . | fromYaml -}}
{{- mergeOverwrite (dict) (index . 0).Values.commonLabels (index . 2) $ours | toYaml -}}
{{- end -}}

{{/* Labels of objects. Argument: (list $ component) or (list $ component extraLabels). */}}
{{- define "videovector.labels" -}}
{{- $root := index . 0 -}}
{{- $ours := include "videovector.selectorLabels" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "videovector" -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $more := dict -}}
{{- if gt (len .) 2 -}}
{{- $more = index . 2 -}}
{{- end -}}
{{- mergeOverwrite (dict) $root.Values.commonLabels $more $ours | toYaml -}}
{{- end -}}

{{- define "videovector.image" -}}
{{- $repository := required "image.repository is not set: give it the place that you pushed the operator's image to, for instance --set image.repository=registry.example.com/videovector-operator" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The Secret and the key with the catalog's connection string. */}}
{{- define "videovector.catalogSecretName" -}}
{{- if .Values.catalog.postgresql.enabled -}}
{{- .Values.catalog.postgresql.existingSecret | default (printf "%s-catalog" (include "videovector.fullname" .)) -}}
{{- else -}}
{{- .Values.catalog.existingSecret.name -}}
{{- end -}}
{{- end -}}

{{- define "videovector.catalogSecretKey" -}}
{{- if .Values.catalog.postgresql.enabled -}}dsn{{- else -}}{{- .Values.catalog.existingSecret.key -}}{{- end -}}
{{- end -}}

{{- define "videovector.migrationMode" -}}
{{- if ne .Values.catalog.migration.mode "auto" -}}
{{- .Values.catalog.migration.mode -}}
{{- else if .Values.catalog.postgresql.enabled -}}
initContainer
{{- else -}}
hook
{{- end -}}
{{- end -}}

{{- define "videovector.apiTlsDirectory" -}}/var/run/videovector/api-tls{{- end -}}

{{/* For names outside the release's namespace: releases of one name in several namespaces must not meet. */}}
{{- define "videovector.namespaceMark" -}}
{{- .Release.Namespace | sha256sum | trunc 6 -}}
{{- end -}}
