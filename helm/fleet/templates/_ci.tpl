{{- define "fleet.claim" -}}
{{ default (include "fleet.name" .) .service.persistence.existingClaim }}
{{- end }}

{{- define "fleet.sharesVolume" -}}
{{ has "ReadWriteMany" .service.persistence.accessModes }}
{{- end }}

{{- /* Begins the names of jobs, and tells releases apart; the server takes 17 characters. */ -}}
{{- define "fleet.jobPrefix" -}}
{{- $full := include "fleet.fullname" .root }}
{{- le (len $full) 17 | ternary $full (printf "%s-%s" (trunc 8 $full) (sha256sum $full | trunc 8)) }}
{{- end }}

{{- define "fleet.checkReplicas" -}}
{{- $many := or (gt (int .service.replicaCount) 1) .service.autoscaling.enabled }}
{{- if and (eq .key "ci") $many (eq (include "fleet.sharesVolume" .) "false") }}
{{- fail "ci: more than one replica needs ReadWriteMany among ci.persistence.accessModes" }}
{{- end }}
{{- end }}
