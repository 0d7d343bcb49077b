{{- /* What the pods of Deployments and Jobs have in common. */ -}}
{{- define "fleet.pod" -}}
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .service.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .service.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "fleet.container" -}}
image: {{ include "fleet.image" . }}
imagePullPolicy: {{ include "fleet.pullPolicy" . }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
resources:
  {{- toYaml .service.resources | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: data
    mountPath: /data
  {{- with .service.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* On the node's disk, which is not ours alone. */ -}}
{{- define "fleet.space" -}}
emptyDir: {sizeLimit: 1Gi}
{{- end }}

{{- /* Given data as well, the source of the volume at /data. */ -}}
{{- define "fleet.volumes" -}}
- name: tmp
  {{- include "fleet.space" . | nindent 2 }}
- name: data
  {{- toYaml .data | nindent 2 }}
{{- with .service.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "fleet.topologySpread" -}}
{{- $selector := include "fleet.selector" . | fromYaml }}
{{- range .service.topologySpreadConstraints }}
- {{- merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" $selector)) | toYaml | nindent 2 }}
{{- end }}
{{- end }}
