{{/* The name of all objects: the release's, with the chart's unless it holds that. */}}
{{- define "mavera-gateway.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) -}}{{- $name = printf "%s-%s" $name .Chart.Name -}}{{- end -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "mavera-gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mavera-gateway.labels" -}}
{{ include "mavera-gateway.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
{{- end -}}

{{/* How many pods there can be at a time. One that drains is not counted: it takes no
new calls, and the requests it still sends appear to the others as foreign use. */}}
{{- define "mavera-gateway.pods" -}}
{{- $pods := .Values.replicas | int -}}
{{- if .Values.autoscaling.enabled -}}{{- $pods = max $pods (int .Values.autoscaling.maxReplicas) -}}{{- end -}}
{{- add $pods (int .Values.rollingUpdate.maxSurge) -}}
{{- end -}}

{{/* The share of one pod, checked. 0.334 for three is let through: it is the README's. */}}
{{- define "mavera-gateway.share" -}}
{{- $pods := include "mavera-gateway.pods" . | int -}}
{{- $share := divf 1.0 $pods -}}
{{- if not (kindIs "invalid" .Values.share) -}}{{- $share = float64 .Values.share -}}{{- end -}}
{{- if gt (mulf $share $pods) 1.005 -}}
{{- fail (printf "share %v of %d pods (replicas or autoscaling.maxReplicas, and rollingUpdate.maxSurge) is more than all of Mavera's limits: leave share out, or set at most %v" $share $pods (round (divf 1.0 $pods) 3)) -}}
{{- end -}}
{{- range $setting, $slots := dict "mave_slots" 10 "focus_group_slots" 5 "video_analysis_slots" 3 -}}
{{- $slots = get $.Values.config $setting | default $slots -}}
{{- if lt (addf (mulf $share $slots) 1e-9) 1.0 -}}
{{- fail (printf "share %v leaves less than one of %v config.%s, which the gateway would refuse: run fewer pods, or raise config.%s" $share $slots $setting $setting) -}}
{{- end -}}
{{- end -}}
{{- $share -}}
{{- end -}}

{{/* The gateway's configuration file. */}}
{{- define "mavera-gateway.config" -}}
{{- range $setting, $value := dict "grpc_addr" "service.grpcPort" "admin_addr" "service.adminPort" "share" "share" "drain_notice" "noticeSeconds" "drain_timeout" "drainSeconds" "simulator" "simulator" "api_key" "apiKey" "api_key_file" "apiKey" "tls_cert_file" "tls" "tls_key_file" "tls" "tls_client_ca_file" "tls" "tls_client_auth" "tls" -}}
{{- if hasKey $.Values.config $setting -}}{{- fail (printf "config.%s: the chart sets it, from %s" $setting $value) -}}{{- end -}}
{{- end -}}
{{- $set := dict "admin_addr" ":9090" "grpc_addr" ":50051" "drain_notice" (printf "%ds" (int .Values.noticeSeconds)) "drain_timeout" (printf "%ds" (int .Values.drainSeconds)) "share" (include "mavera-gateway.share" . | float64) -}}
{{- if .Values.simulator -}}{{- $_ := set $set "simulator" true -}}
{{- else -}}{{- $_ := set $set "api_key_file" (printf "/run/secrets/mavera/%s" .Values.apiKey.secretKey) -}}
{{- end -}}
{{- if .Values.tls.secretName -}}
{{- $set = merge $set (dict "tls_cert_file" "/run/secrets/tls/tls.crt" "tls_key_file" "/run/secrets/tls/tls.key") -}}
{{- with .Values.tls.clientAuth -}}{{- $set = merge $set (dict "tls_client_ca_file" "/run/secrets/tls/ca.crt" "tls_client_auth" .) -}}{{- end -}}
{{- else if .Values.tls.clientAuth -}}
{{- fail "tls.clientAuth asks callers for certificates, which needs tls.secretName" -}}
{{- end -}}
{{- merge $set .Values.config | toYaml -}}
{{- end -}}
