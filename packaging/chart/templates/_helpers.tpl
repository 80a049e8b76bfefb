{{- define "chatbridge.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "chatbridge.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Not empty where several bridges are one. */ -}}
{{- define "chatbridge.cluster" -}}
{{- with .Values.config.cluster }}{{ .name }}{{ end }}
{{- end }}

{{- define "chatbridge.replicas" -}}
{{- $cluster := include "chatbridge.cluster" . -}}
{{- $replicas := int (default (ternary 3 1 (ne $cluster "")) .Values.replicas) -}}
{{- if and (gt $replicas 1) (not $cluster) }}{{ fail "replicas: more than one needs config.cluster.name, and cluster.redis_url in the Secret; without it the others only wait" }}{{ end -}}
{{- if and (gt $replicas 1) .Values.persistence.enabled }}{{ fail "persistence.enabled: the volume is one pod's at a time, and there are several: leave it off" }}{{ end -}}
{{- $replicas -}}
{{- end }}

{{- define "chatbridge.labels" -}}
{{ include "chatbridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
