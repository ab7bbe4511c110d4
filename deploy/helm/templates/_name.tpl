{{- /* A release may be called 7 or a.b, and has up to 53 characters: a service begins with a letter, and what Kubernetes adds
to the name of a stateful set leaves 52. */ -}}
{{- define "sentlog.name" -}}
{{- $name := .Release.Name | replace "." "-" -}}
{{- regexMatch "^[a-z]" $name | ternary $name (printf "sentlog-%s" $name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
