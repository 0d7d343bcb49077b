{{- define "fleet.dnsEgress" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- /* The port of a URL. */ -}}
{{- define "fleet.portOf" -}}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- default (eq $url.scheme "https" | ternary "443" "80") $port }}
{{- end }}

{{- /* A policy knows no names: what is outside of the cluster is told by its port. */ -}}
{{- define "fleet.databasePorts" -}}
{{- $ports := list (include "fleet.database" . | fromJson).port }}
{{- if eq .key "sql" }}
{{- $ports = append $ports (include "fleet.queryDatabase" . | fromJson).port }}
{{- end }}
{{- toJson $ports }}
{{- end }}

{{- define "fleet.ports" -}}
{{- $ports := include "fleet.databasePorts" . | fromJsonArray }}
{{- with include "fleet.redis" . | fromJson }}
{{- if .host }}{{ $ports = append $ports .port }}{{ end }}
{{- end }}
{{- range pick .service.settings "PROMETHEUS_URL" "TOOLHIVE_URL" "OTEL_EXPORTER_OTLP_ENDPOINT" }}
{{- $ports = append $ports (include "fleet.portOf" . | int) }}
{{- end }}
{{- if eq (include "fleet.asksKubernetes" .) "true" }}
{{- /* A Service's 443 becomes the API server's own port on the way. */}}
{{- $ports = concat $ports (list 443 6443) }}
{{- end }}
{{- toJson $ports }}
{{- end }}

{{- define "fleet.egressTo" -}}
- ports:
    {{- range . | uniq }}
    - port: {{ . }}
    {{- end }}
{{- end }}

{{- /* All but the cluster, what is around it, and the cloud's metadata: link-local, and of Azure a public address. */ -}}
{{- define "fleet.internetEgress" -}}
{{- $four := list "169.254.0.0/16" "168.63.129.16/32" }}
{{- $six := list "fc00::/7" "fe80::/10" }}
{{- range .Values.internalNetworks }}
{{- if contains ":" . }}{{ $six = append $six . }}{{ else }}{{ $four = append $four . }}{{ end }}
{{- end }}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          {{- uniq $four | sortAlpha | toYaml | nindent 10 }}
    - ipBlock:
        cidr: ::/0
        except:
          {{- uniq $six | sortAlpha | toYaml | nindent 10 }}
{{- end }}
