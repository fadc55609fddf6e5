"""The certificate that a query method sees: the time, and the certified data of its canister."""

from reference_impl.certification.signing import certificate_of
from reference_impl.reads.state_tree import can_sign, signing, state_tree
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.values.identifiers import Blob, Text


def is_about_certificates(name: Text) -> bool:
    """With the imported function a module asks for a certificate, or for whether there is one."""
    return name.startswith("data_certificate_")


def certificate_for(instance: SubnetInstance, canister: CanisterRecord) -> Blob | None:
    """
    A certificate of what the canister certifies now; None if the instance has no secret to sign with.

    Also None if the module cannot ask for one, so that nothing is signed in vain.
    """
    code = canister.code
    if code is None or not can_sign(instance):
        return None
    # Reason: not every module says what it imports.
    imported: frozenset[Text] | None = getattr(code.installed.module, "imported_functions", None)
    if imported is not None and not any(map(is_about_certificates, imported)):
        return None
    paths = [(b"time",), (b"canister", canister.canister_id, b"certified_data")]
    return certificate_of(state_tree(instance), paths, *signing(instance, canister.subnet.subnet_id))
