"""What JSON Schema cannot say of the service's requests, told to Schemathesis (through SCHEMATHESIS_HOOKS)."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """The shape of a tensor says how many strings its data has; in requests that should fit, it does."""
    if not case.path.endswith("/infer") or not isinstance(case.body, dict) or case.meta is None:
        return
    if case.meta.generation.mode.is_positive:
        for tensor in case.body["inputs"]:
            tensor["shape"] = [len(tensor["data"])]
