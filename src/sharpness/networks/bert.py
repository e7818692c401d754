"""BERT (Devlin et al., 2019) with a classifier of sentence pairs, as in Google's code."""

from __future__ import annotations

from typing import Any

from transformers import BertConfig, BertForSequenceClassification


class Bert(BertForSequenceClassification):
    """BERT classifier of token pairs: a perceptron on the first token's output gives the logits.

    The inputs are ``input_ids``, ``attention_mask`` and ``token_type_ids``, each (n, tokens); the
    output is an object whose ``logits`` are (n, classes). Tensors have the names of the
    transformers library.

    It is that library's network with two settings changed. GELU is the tanh form, as in the code
    that trained the published models, instead of the exact form. Attention uses plain products and
    a softmax: fused kernels have no second derivative on a CPU.

    Vocabulary 30,522, 512 positions, 2 types, dim 768, depth 12, 12 heads, MLP 3,072 and 3 classes
    are BERT-base: 109,484,547 parameters in 201 tensors. The published models' classes are
    contradiction, entailment and neutral, in this order.
    """

    def __init__(
        self,
        vocabulary: int,
        positions: int,
        types: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_dim: int,
        classes: int,
    ) -> None:
        """Build the network.

        ``positions`` is the longest sequence in tokens, ``types`` the number of segments (2 for
        pairs), ``dim`` the width of a token, which ``heads`` divides, and ``mlp_dim`` the hidden
        units of each MLP.
        """
        settings: dict[str, Any] = {
            "vocab_size": vocabulary,
            "max_position_embeddings": positions,
            "type_vocab_size": types,
            "hidden_size": dim,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "intermediate_size": mlp_dim,
            "num_labels": classes,
            "hidden_act": "gelu_pytorch_tanh",
            "attn_implementation": "eager",
        }
        super().__init__(BertConfig(**settings))
