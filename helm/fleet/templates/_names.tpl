{{- /* Room for the longest suffix; a name that is cut keeps apart from others by its hash. */ -}}
{{- define "fleet.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- $full = default $full .Values.fullnameOverride | replace "." "-" }}
{{- if gt (len $full) 44 }}
{{- $kept := trunc (sub 34 (len $name) | int) $full | trimSuffix "-" }}
{{- $full = printf "%s-%s-%s" $kept (sha256sum $full | trunc 8) $name }}
{{- end }}
{{- $full }}
{{- end }}

{{- /* Everything below is given a scope: root, service (its values), key (graph, ci or sql). */ -}}
{{- define "fleet.name" -}}
{{ include "fleet.fullname" .root }}-{{ .key }}
{{- end }}

{{- define "fleet.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .key }}
{{- end }}

{{- define "fleet.labels" -}}
{{ include "fleet.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "fleet.metadata" -}}
name: {{ include "fleet.name" . }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "fleet.labels" . | nindent 2 }}
{{- end }}

{{- define "fleet.serviceAccountName" -}}
{{- $default := .service.serviceAccount.create | ternary (include "fleet.name" .) "default" }}
{{- default $default .service.serviceAccount.name }}
{{- end }}

{{- define "fleet.port" -}}
{{ get (dict "graph" 8000 "ci" 8002 "sql" 8003) .key }}
{{- end }}

{{- define "fleet.image" -}}
{{- $image := mergeOverwrite (deepCopy .root.Values.image) .service.image }}
{{- $tag := default .root.Chart.AppVersion $image.tag }}
{{- printf "%s/%s%s%s" $image.registry $image.repository (hasPrefix "sha256:" $tag | ternary "@" ":") $tag }}
{{- end }}

{{- define "fleet.pullPolicy" -}}
{{ default .root.Values.image.pullPolicy .service.image.pullPolicy }}
{{- end }}

{{- /* Who asks the API of Kubernetes, and so has a token. */ -}}
{{- define "fleet.asksKubernetes" -}}
{{- if eq .key "ci" }}{{ eq .service.runner "kubernetes" }}
{{- else if eq .key "graph" }}{{ .service.toolhive.enabled }}
{{- else }}false
{{- end }}
{{- end }}
