"""What the losses are compared with in the same run: other implementations, and the products no loss can avoid."""

import torch
from torch import Tensor, nn


class LoopRecallAtK(nn.Module):
    """The recall@k surrogate with a Python loop over the queries and autograd, as the released RS@k code goes about it.

    Each query takes its own products with all embeddings; then come two sigmoids, of temperature `tau` on score
    differences and of temperature 1 on ranks; the sum over positives is cut at k. The query takes a place in the ranks.
    """

    def __init__(self, tau: float = 0.01, ks: tuple[int, ...] = (1, 2, 4, 8, 16)):
        super().__init__()
        self.tau, self.ks = tau, ks

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        recalls = []
        for query in range(len(labels)):
            scores = (embeddings[query] * embeddings).sum(1)
            positive = labels == labels[query]
            positive[query] = False
            differences = scores[None, :] - scores[positive][:, None]
            steps = torch.sigmoid(differences / self.tau)
            # Every positive has met itself, where the sigmoid is a half.
            ranks = 1 + steps.sum(1) - 0.5
            for k in self.ks:
                found = torch.sigmoid(k - ranks).sum().clamp(max=k)
                recalls.append(found / min(k, len(ranks)))
        return 1 - torch.stack(recalls).mean()


class MatrixProducts(nn.Module):
    """The three (B, B, D) products of any loss on all scores of a batch: the floor that a kernel can come near.

    Forward are the scores, backward the gradient times the embeddings and the transposed gradient times the
    embeddings; the scores stand in for the gradient, which a matrix product cannot tell.
    """

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return _Products.apply(embeddings)


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx, embeddings):
        scores = embeddings @ embeddings.t()
        ctx.save_for_backward(embeddings, scores)
        return scores[0, 0].clone()

    @staticmethod
    def backward(ctx, of_value):
        embeddings, scores = ctx.saved_tensors
        gradient = scores @ embeddings
        return gradient.addmm_(scores.t(), embeddings)


def metric_learning(class_name: str) -> nn.Module:
    """A loss of pytorch-metric-learning with its own defaults."""
    from pytorch_metric_learning import losses

    return getattr(losses, class_name)()
