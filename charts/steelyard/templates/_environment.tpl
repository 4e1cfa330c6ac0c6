{{/* The operator's settings. Each is documented in docs/operator.md; lists are joined by commas, unset is empty. */}}
{{- define "steelyard.environment" -}}
- name: STEELYARD_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: STEELYARD_LEASE_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: STEELYARD_LEASE_NAME
  value: {{ include "steelyard.fullname" . }}
- name: STEELYARD_LEADER_ELECTION
  value: {{ .Values.leaderElection | quote }}
- name: STEELYARD_NAMESPACES
  value: {{ join "," .Values.namespaces | quote }}
- name: STEELYARD_PORT
  value: "8080"
- name: STEELYARD_LOG_LEVEL
  value: {{ .Values.log.level }}
- name: STEELYARD_LOG_FORMAT
  value: {{ .Values.log.format }}
- name: STEELYARD_RECONCILERS
  value: {{ include "steelyard.number" .Values.reconcilers | quote }}
- name: STEELYARD_TRAINER_IMAGE
  value: {{ include "steelyard.image" (list . .Values.trainer.image) }}
- name: STEELYARD_TRAINER_IMAGE_PULL_POLICY
  value: {{ .Values.trainer.image.pullPolicy }}
- name: STEELYARD_STAGE_RESOURCES
  value: {{ include "steelyard.resources" .Values.trainer.resources | quote }}
- name: STEELYARD_RUN_AS_USER
  value: {{ include "steelyard.number" .Values.trainer.runAsUser | quote }}
- name: STEELYARD_RUN_AS_GROUP
  value: {{ include "steelyard.number" .Values.trainer.runAsGroup | quote }}
- name: STEELYARD_FS_GROUP
  value: {{ include "steelyard.number" .Values.trainer.fsGroup | quote }}
- name: STEELYARD_NODE_LOST_TOLERATION_SECONDS
  value: {{ include "steelyard.number" .Values.trainer.nodeLostTolerationSeconds | quote }}
- name: STEELYARD_DEAD_POD_SECONDS
  value: {{ include "steelyard.number" .Values.trainer.deadPodSeconds | quote }}
- name: STEELYARD_PROGRESS_SECONDS
  value: {{ include "steelyard.number" .Values.trainer.progressSeconds | quote }}
- name: STEELYARD_ALLOWED_SERVICE_ACCOUNTS
  value: {{ join "," .Values.allowed.serviceAccounts | quote }}
- name: STEELYARD_ALLOWED_CLAIMS
  value: {{ join "," .Values.allowed.claims | quote }}
- name: STEELYARD_ALLOWED_SECRETS
  value: {{ join "," .Values.allowed.secrets | quote }}
{{- if .Values.networkPolicy.enabled }}
- name: STEELYARD_NETWORK_POLICY
  value: "true"
{{- end }}
{{- end }}
