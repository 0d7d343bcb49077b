{{- define "fleet.database" -}}
{{ mergeOverwrite (deepCopy .root.Values.externalDatabase) .service.externalDatabase | toJson }}
{{- end }}

{{- define "fleet.redis" -}}
{{ mergeOverwrite (deepCopy .root.Values.externalRedis) .service.externalRedis | toJson }}
{{- end }}

{{- /* Without the password, which is in PGPASSWORD. */ -}}
{{- define "fleet.databaseUrl" -}}
{{- with include "fleet.database" . | fromJson }}
{{- printf "postgresql://%s@%s:%v/%s?sslmode=%s" (urlquery .user) .host .port (urlquery .database) .sslMode }}
{{- end }}
{{- end }}

{{- /* What agents ask; a host of its own has a port of its own. */ -}}
{{- define "fleet.queryDatabase" -}}
{{- $database := include "fleet.database" . | fromJson }}
{{- $own := .service.queryDatabase }}
{{- dict
      "host" (default $database.host $own.host)
      "port" (empty $own.host | ternary $database.port $own.port)
      "database" (default $database.database $own.database)
      "sslMode" (default $database.sslMode $own.sslMode)
    | toJson }}
{{- end }}

{{- /* The names by which MCP clients may call: those of the Service and of the Ingress. */ -}}
{{- define "fleet.mcpHosts" -}}
{{- $name := include "fleet.name" . }}
{{- $local := printf "%s.%s" $name .root.Release.Namespace }}
{{- $hosts := list $name $local (printf "%s.svc" $local) (printf "%s.svc.%s" $local .root.Values.clusterDomain) }}
{{- if .service.ingress.enabled }}
{{- range .service.ingress.hosts }}
{{- $hosts = append $hosts .host }}
{{- end }}
{{- end }}
{{- with .service.settings.MCP_ALLOWED_HOSTS }}
{{- $hosts = append $hosts . }}
{{- end }}
{{- join "," $hosts }}
{{- end }}

{{- define "fleet.variables.graph" -}}
DATABASE_URL: {{ include "fleet.databaseUrl" . | quote }}
MCP_ALLOWED_HOSTS: {{ include "fleet.mcpHosts" . | quote }}
{{- if .service.toolhive.enabled }}
RUNTIME_MODE: k8s
K8S_API_SERVER_URL: https://kubernetes.default.svc
{{- end }}
{{- end }}

{{- define "fleet.variables.ci" -}}
CI_DATABASE_URL: {{ include "fleet.databaseUrl" . | quote }}
ACCESS_DATABASE_URL: {{ include "fleet.databaseUrl" . | quote }}
CI_DATA_DIR: /data
CI_RUNNER: {{ .service.runner }}
{{- if eq .service.runner "kubernetes" }}
CI_CONTAINER_PREFIX: {{ include "fleet.jobPrefix" . | quote }}
CI_KUBERNETES_NAMESPACE: {{ .root.Release.Namespace | quote }}
CI_KUBERNETES_VOLUME_CLAIM: {{ include "fleet.claim" . | quote }}
{{- else }}
CI_JOBS_END_WITH_SERVER: "true"
{{- end }}
{{- end }}

{{- /* The driver reads PGSSLMODE, as DB_HOST and the like have no place for it. */ -}}
{{- define "fleet.variables.sql" -}}
{{- $query := include "fleet.queryDatabase" . | fromJson -}}
ACCESS_DATABASE_URL: {{ include "fleet.databaseUrl" . | quote }}
COLDQUERY_DATA_DIR: /data
DB_HOST: {{ $query.host | quote }}
DB_PORT: {{ $query.port | quote }}
DB_DATABASE: {{ $query.database | quote }}
DB_USER: {{ .service.queryDatabase.user | quote }}
PGSSLMODE: {{ $query.sslMode }}
MCP_ALLOWED_HOSTS: {{ include "fleet.mcpHosts" . | quote }}
{{- end }}

{{- /* What the chart knows goes before settings; of a proxy it only guesses. */ -}}
{{- define "fleet.variables" -}}
{{- $variables := include (printf "fleet.variables.%s" .key) . | fromYaml }}
{{- with include "fleet.redis" . | fromJson }}
{{- if .host }}
{{- $_ := printf "%s://%s:%v/0" (.tls | ternary "rediss" "redis") .host .port | set $variables "REDIS_URL" }}
{{- end }}
{{- end }}
{{- if .service.ingress.enabled }}
{{- $proxies := default (join "," .root.Values.internalNetworks) .service.settings.FORWARDED_ALLOW_IPS }}
{{- $_ := set $variables "FORWARDED_ALLOW_IPS" $proxies }}
{{- end }}
{{- merge $variables .service.settings | toJson }}
{{- end }}

{{- define "fleet.secretVariable" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret | quote }}
      key: {{ .existingSecretPasswordKey | quote }}
{{- end }}

{{- /* Numbers as JSON has them: Go would print a large one as 1e+07. */ -}}
{{- define "fleet.environment" -}}
{{- range $name, $value := include "fleet.variables" . | fromJson }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{ include "fleet.secretVariable" (include "fleet.database" . | fromJson | merge (dict "variable" "PGPASSWORD")) }}
{{- if eq .key "sql" }}
{{ include "fleet.secretVariable" (merge (dict "variable" "DB_PASSWORD") .service.queryDatabase) }}
{{- end }}
{{- with include "fleet.redis" . | fromJson }}
{{- if and .host .existingSecret }}
{{ include "fleet.secretVariable" (merge (dict "variable" "REDIS_PASSWORD") .) }}
{{- end }}
{{- end }}
{{- with .service.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* In the owner's database, as who owns another one is not known here; of schemas that migrations have made. */ -}}
{{- define "fleet.makesRole" -}}
{{ and .Values.sql.enabled .Values.sql.grants.enabled .Values.migrations.enabled (not (or .Values.sql.queryDatabase.host .Values.sql.queryDatabase.database)) }}
{{- end }}

{{- /* As the owner of the schemas: what that one makes later is to be read by the role, too. */ -}}
{{- define "fleet.grantsEnvironment" -}}
- name: DATABASE_URL
  value: {{ include "fleet.databaseUrl" . | quote }}
{{ include "fleet.secretVariable" (include "fleet.database" . | fromJson | merge (dict "variable" "PGPASSWORD")) }}
{{ include "fleet.secretVariable" (merge (dict "variable" "COLDQUERY_ROLE_PASSWORD") .service.queryDatabase) }}
{{- with .service.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
