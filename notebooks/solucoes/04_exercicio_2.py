def medir(mensagem):
    return len(mensagem.encode())
