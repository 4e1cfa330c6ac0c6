{{/* Names, labels and texts that several templates need. */}}

{{- define "steelyard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "steelyard.serviceAccountName" -}}
{{- default (ternary (include "steelyard.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end }}

{{/* What tells the operator's own objects from those of the jobs, whose component is a stage. */}}
{{- define "steelyard.selectorLabels" -}}
app.kubernetes.io/name: steelyard
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "steelyard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "steelyard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* repository:tag or repository@digest of an image's values: include "steelyard.image" (list . .Values.image) */}}
{{- define "steelyard.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{/* Quantities by stage, all as texts, as JSON: YAML makes a number of `cpu: 2`, and toString 4e+09 of a large one. */}}
{{- define "steelyard.resources" -}}
{{- $stages := dict -}}
{{- range $stage, $resources := . -}}
{{- $texts := dict -}}
{{- range $kind, $quantities := $resources -}}
{{- $of := dict -}}
{{- range $name, $quantity := $quantities -}}
{{- $_ := set $of $name (toJson $quantity | trimAll "\"") -}}
{{- end -}}
{{- $_ := set $texts $kind $of -}}
{{- end -}}
{{- $_ := set $stages $stage $texts -}}
{{- end -}}
{{- toJson $stages -}}
{{- end }}

{{/* A whole number as text; unset stays empty. Helm hands numbers of a file over as floats. */}}
{{- define "steelyard.number" -}}
{{- if not (kindIs "invalid" .) }}{{ int64 . }}{{ end -}}
{{- end }}
