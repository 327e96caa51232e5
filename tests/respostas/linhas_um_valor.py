"""Verificação: lines
Pista: Esperava uma função, e recebi ['olá']
"""

resposta = ["olá"]
