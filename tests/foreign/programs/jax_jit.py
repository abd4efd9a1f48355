"""XLA's compiler and its thread pool."""
import jax
import jax.numpy as jnp


@jax.jit
def step(matrix):
    return jnp.tanh(matrix @ matrix.T) / matrix.shape[0]


matrix = jnp.ones((256, 256))
for _ in range(20):
    matrix = step(matrix)
print(matrix.shape, f"{float(matrix.sum()):.3f}", f"{float(jax.grad(lambda x: (step(x) ** 2).sum())(matrix).sum()):.3e}")
