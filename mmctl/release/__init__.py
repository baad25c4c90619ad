"""From a source tree to a running release: build, wheelhouse, plan, activation, and the way back."""
