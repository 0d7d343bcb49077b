{{- /* Hooks come before all else of the chart: they have no service account of it, and a NetworkPolicy of their own. */ -}}
{{- define "fleet.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-weight: {{ . | quote }}
{{- end }}

{{- /* A scope whose key has a suffix, such as sql-grants. */ -}}
{{- define "fleet.hookJob" -}}
{{- $named := dict "root" .root "key" (printf "%s-%s" .key .suffix) }}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "fleet.metadata" $named | nindent 2 }}
  annotations:
    {{- include "fleet.hook" .weight | nindent 4 }}
spec:
  backoffLimit: {{ .root.Values.migrations.backoffLimit }}
  activeDeadlineSeconds: {{ .root.Values.migrations.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "fleet.labels" $named | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      {{- include "fleet.pod" . | nindent 6 }}
      containers:
        - name: {{ .suffix }}
          args: {{ toJson .args }}
          env:
            {{- .environment | trim | nindent 12 }}
          {{- include "fleet.container" . | nindent 10 }}
      volumes:
        {{- include "fleet.volumes" (merge (dict "data" (include "fleet.space" . | fromYaml)) .) | nindent 8 }}
{{- end }}
