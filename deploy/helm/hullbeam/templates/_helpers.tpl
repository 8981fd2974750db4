{{- define "hullbeam.name" -}}
{{- ternary .Release.Name (printf "%s-hullbeam" .Release.Name) (contains "hullbeam" .Release.Name) | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "hullbeam.selector" -}}
app.kubernetes.io/name: hullbeam
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hullbeam.labels" -}}
{{ include "hullbeam.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The seconds of a duration such as 30s, 2m or 1h. */}}
{{- define "hullbeam.seconds" -}}
{{- $n := regexFind "^[0-9]+" . | int -}}
{{- if hasSuffix "h" . }}{{ mul $n 3600 }}{{ else if hasSuffix "m" . }}{{ mul $n 60 }}{{ else }}{{ $n }}{{ end }}
{{- end }}

{{/* How long a node may take to stop: preStop, stream.drain, stream.write_timeout, 5 s for requests
under way, and 5 s more. One that is killed before cuts its streams all at once. */}}
{{- define "hullbeam.grace" -}}
{{- $stream := .Values.config.stream | default dict -}}
{{- $drain := include "hullbeam.seconds" ($stream.drain | default "30s") | int -}}
{{- $write := include "hullbeam.seconds" ($stream.write_timeout | default "10s") | int -}}
{{- add 5 $drain $write 5 5 }}
{{- end }}
