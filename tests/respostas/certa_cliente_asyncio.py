"""Verificação: client
Certa.
"""

import asyncio


def resposta(host, porta, mensagem):
    async def conversar():
        leitor, escritor = await asyncio.open_connection(host, porta)
        escritor.write(mensagem.encode())
        dados = await leitor.readexactly(len(mensagem.encode()))
        escritor.close()
        await escritor.wait_closed()
        return dados.decode()

    return asyncio.run(conversar())
