"""What can go wrong in the operator.

RetryableError
├── ClusterUnavailableError   cluster_unavailable: the API server does not answer, or can't do it now; asked again
│   └── ChangedError          changed_meanwhile: somebody else changed the object; looked at again
├── KindMissingError          kind_missing: the cluster has no definition of what is to be made; asked again
├── BusAwayError              bus_unavailable: there is no connection to the bus; asked again
├── RegistryAwayError         registry_unavailable: the bus is there, and the registry's buckets can't be asked; asked again
├── PodsRemainError           pods_remain: pods of a Skill that is deleted have not gone; looked at again
├── UnforeseenError           internal: what nobody has foreseen; tried again
└── NotDescribedError         not_described: a skill does not answer Describe yet
PermanentError
├── InvalidSkillError         invalid_skill: a Skill that the definition lets through and that can't run all the same
├── RejectedError             rejected: the API server refuses an object, for what is in it
├── NameTakenError            name_taken: an object of a name that the Skill needs is not the Skill's
├── SecretMissingError        secret_missing: a Secret that the Skill names is not there
├── SecretRefusedError        secret_refused: a Secret that the Skill names is not labelled as being for it
├── ForbiddenError            forbidden: the operator's Role lacks a right
├── ClusterUnreachableError   cluster_not_named: there is neither a service account nor a kubeconfig
└── SigningKeyError           signing_key_missing: there is no key to sign credentials with
"""

from __future__ import annotations

from earshot_chassis.errors import InvalidInputError, PermanentError, RetryableError


class ClusterUnavailableError(RetryableError):
    """The API server does not answer, or can't do what it is asked now."""

    code = "cluster_unavailable"
    stage = "operator"


class ChangedError(ClusterUnavailableError):
    """Somebody else changed the object meanwhile: it has to be looked at again."""

    code = "changed_meanwhile"


class KindMissingError(RetryableError):
    """The cluster has no definition of what is to be made."""

    code = "kind_missing"
    stage = "operator"


class BusAwayError(RetryableError):
    """There is no connection to the bus."""

    code = "bus_unavailable"
    stage = "operator"


class RegistryAwayError(RetryableError):
    """The bus is there, and the registry's buckets can't be asked."""

    code = "registry_unavailable"
    stage = "operator"


class PodsRemainError(RetryableError):
    """Pods of a Skill that is deleted have not gone."""

    code = "pods_remain"
    stage = "operator"


class UnforeseenError(RetryableError):
    """What nobody has foreseen."""

    code = "internal"
    stage = "operator"


class NotDescribedError(RetryableError):
    """A skill does not answer Describe yet."""

    code = "not_described"
    stage = "operator"


class InvalidSkillError(InvalidInputError):
    """A Skill that the definition lets through and that can't run all the same."""

    code = "invalid_skill"
    stage = "operator"


class RejectedError(PermanentError):
    """The API server refuses an object, for what is in it."""

    code = "rejected"
    stage = "operator"


class NameTakenError(PermanentError):
    """An object of a name that the Skill needs is not the Skill's: it is left alone."""

    code = "name_taken"
    stage = "operator"


class SecretMissingError(PermanentError):
    """A Secret that the Skill names is not there."""

    code = "secret_missing"
    stage = "operator"


class SecretRefusedError(PermanentError):
    """A Secret that the Skill names is not labelled as being for it."""

    code = "secret_refused"
    stage = "operator"


class ForbiddenError(PermanentError):
    """The operator's Role lacks a right."""

    code = "forbidden"
    stage = "operator"


class SigningKeyError(PermanentError):
    """There is no key to sign credentials with."""

    code = "signing_key_missing"
    stage = "operator"


class ClusterUnreachableError(PermanentError):
    """There is neither a service account nor a kubeconfig."""

    code = "cluster_not_named"
    stage = "operator"
