/// The modes over whole messages, out of four operations on blocks that must be in scope:
///
/// - `load(&[u8; 16]) -> Block` and `store(Block) -> [u8; 16]`
/// - `xor(Block, Block) -> Block`
/// - `encrypt::<K, N>(&[[u8; 16]; K], Block, [Block; N]) -> [Block; N]`: the rounds of N independent blocks, to which
///   the first round key was added already, with this key for the last one
/// - `decrypt::<K, N>(&[[u8; 16]; K], [Block; N]) -> [Block; N]`: the same, with the last key of the schedule
///
/// The first round key goes in together with the last one of the block before: a chain has one addition less to wait
/// for.
///
/// The attribute is put on every function, so that a message runs from its first block to its last inside code that
/// may use the processor's own rounds.
macro_rules! modes {
    ($(#[$attribute:meta])*) => {
        $(#[$attribute])*
        pub(super) fn cbc_encrypt<const K: usize>(
            cipher: &$crate::kms::rijndael::Rijndael<K>,
            iv: &[u8; 16],
            blocks: &mut [[u8; 16]],
        ) {
            let first_key = load(&cipher.encrypt[0]);
            let last_key = xor(load(&cipher.encrypt[K - 1]), first_key);
            let mut chain = xor(load(iv), first_key);
            for block in blocks {
                [chain] = encrypt(&cipher.encrypt, last_key, [xor(chain, load(block))]);
                *block = store(xor(chain, first_key));
            }
        }

        /// As many blocks as both have.
        $(#[$attribute])*
        pub(super) fn cbc_encrypt_to<const K: usize>(
            cipher: &$crate::kms::rijndael::Rijndael<K>,
            iv: &[u8; 16],
            blocks: &[[u8; 16]],
            out: &mut [[u8; 16]],
        ) {
            let first_key = load(&cipher.encrypt[0]);
            let last_key = xor(load(&cipher.encrypt[K - 1]), first_key);
            let mut chain = xor(load(iv), first_key);
            for (block, out) in blocks.iter().zip(out) {
                [chain] = encrypt(&cipher.encrypt, last_key, [xor(chain, load(block))]);
                *out = store(xor(chain, first_key));
            }
        }

        /// As many blocks as both have.
        $(#[$attribute])*
        pub(super) fn cbc_decrypt_to<const K: usize>(
            cipher: &$crate::kms::rijndael::Rijndael<K>,
            iv: &[u8; 16],
            blocks: &[[u8; 16]],
            out: &mut [[u8; 16]],
        ) {
            let count = blocks.len().min(out.len());
            let (eights, blocks) = blocks[..count].as_chunks();
            let (eights_out, out) = out[..count].as_chunks_mut();
            let chain = cbc_decrypt_by::<K, 8>(cipher, load(iv), eights, eights_out);
            let (fours, blocks) = blocks.as_chunks();
            let (fours_out, out) = out.as_chunks_mut();
            let chain = cbc_decrypt_by::<K, 4>(cipher, chain, fours, fours_out);
            let (ones, _) = blocks.as_chunks();
            let (ones_out, _) = out.as_chunks_mut();
            cbc_decrypt_by::<K, 1>(cipher, chain, ones, ones_out);
        }

        $(#[$attribute])*
        fn cbc_decrypt_by<const K: usize, const N: usize>(
            cipher: &$crate::kms::rijndael::Rijndael<K>,
            mut chain: Block,
            groups: &[[[u8; 16]; N]],
            out: &mut [[[u8; 16]; N]],
        ) -> Block {
            let first_key = load(&cipher.decrypt[0]);
            for (group, out) in groups.iter().zip(out) {
                let (mut cipher_text, mut plain) = ([chain; N], [chain; N]);
                for i in 0..N {
                    cipher_text[i] = load(&group[i]);
                    plain[i] = xor(cipher_text[i], first_key);
                }
                let plain = decrypt(&cipher.decrypt, plain);
                for i in 0..N {
                    out[i] = store(xor(plain[i], chain));
                    chain = cipher_text[i];
                }
            }
            chain
        }

        $(#[$attribute])*
        pub(super) fn cbc_mac<const K: usize, const N: usize>(
            cipher: &$crate::kms::rijndael::Rijndael<K>,
            messages: &[$crate::kms::rijndael::Message<'_>; N],
        ) -> [[u8; 16]; N] {
            let first_key = load(&cipher.encrypt[0]);
            let last_key = xor(load(&cipher.encrypt[K - 1]), first_key);
            let together = messages.iter().map(|message| message.bytes.len() / 16).min().unwrap_or(0);
            let mut states = [first_key; N];
            let mut blocks: [&[[u8; 16]]; N] = [&[]; N];
            for i in 0..N {
                states[i] = xor(load(messages[i].chain), first_key);
                blocks[i] = messages[i].bytes.as_chunks().0;
            }
            for at in 0..together {
                for i in 0..N {
                    states[i] = xor(states[i], load(&blocks[i][at]));
                }
                states = encrypt(&cipher.encrypt, last_key, states);
            }
            // What some have more than the others.
            for i in 0..N {
                for block in &blocks[i][together..] {
                    [states[i]] = encrypt(&cipher.encrypt, last_key, [xor(states[i], load(block))]);
                }
                states[i] = xor(states[i], load(&messages[i].last_block()));
            }
            states = encrypt(&cipher.encrypt, last_key, states);
            let mut macs = [[0; 16]; N];
            for i in 0..N {
                macs[i] = store(xor(states[i], first_key));
            }
            macs
        }

        $(#[$attribute])*
        pub(super) fn cbc_mac_holds<const K: usize>(
            cipher: &$crate::kms::rijndael::Rijndael<K>,
            bytes: &[u8],
            mac: &[u8; 16],
        ) -> bool {
            let first_key = load(&cipher.encrypt[0]);
            let last_key = xor(load(&cipher.encrypt[K - 1]), first_key);
            let message = $crate::kms::rijndael::Message { chain: &[0; 16], bytes };
            let (blocks, _) = bytes.as_chunks();
            let (front, back) = blocks.split_at(blocks.len().div_ceil(2));
            // What the last block was added to, and from there on backwards.
            let inverse_key = load(&cipher.decrypt[0]);
            let [mut behind] = decrypt(&cipher.decrypt, [xor(load(mac), inverse_key)]);
            behind = xor(behind, load(&message.last_block()));
            let mut state = xor(load(message.chain), first_key);
            let together = back.len();
            for (block, block_behind) in front.iter().zip(back.iter().rev()) {
                [state] = encrypt(&cipher.encrypt, last_key, [xor(state, load(block))]);
                [behind] = decrypt(&cipher.decrypt, [xor(behind, inverse_key)]);
                behind = xor(behind, load(block_behind));
            }
            for block in &front[together..] {
                [state] = encrypt(&cipher.encrypt, last_key, [xor(state, load(block))]);
            }
            store(xor(state, first_key)) == store(behind)
        }
    };
}

pub(super) use modes;
