"""Kubernetes' published schemas, read once: kubernetes-validate reads all of them, 10 MB of JSON, anew for every object."""

from __future__ import annotations

from functools import cache

import kubernetes_validate
import kubernetes_validate.utils

kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)
validate = kubernetes_validate.validate
ValidationError = kubernetes_validate.ValidationError
SchemaNotFoundError = kubernetes_validate.SchemaNotFoundError
