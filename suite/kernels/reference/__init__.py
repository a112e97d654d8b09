"""The losses as they are printed: float64, plain autograd, (Q, G, G) tensors. For small inputs and for tests.

Every function takes embeddings (Q, D) and labels (Q,), an optional gallery `ref_emb` (G, D) and `ref_labels`
(G,), and returns a scalar; it can be differentiated as often as autograd allows. One module a family of losses.
Those of `centres` take class centres, `weight` (C, D), instead of a gallery.
"""
