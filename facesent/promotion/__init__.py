"""From a trained model to the served one: register, canary, gate, approval, aliases."""
