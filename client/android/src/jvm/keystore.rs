//! AndroidKeyStore by its Java classes (`android.security.keystore`, from API 23; a secure element from 28, its level from 31).

use jni::objects::{JByteArray, JClass, JObject, JObjectArray, JString};
use jni::{Env, JavaVM, jni_sig, jni_str};
use shared::wire::KeyLevel;
use zeroize::Zeroizing;

use super::with;
use crate::keystore::{Fault, Kept, Keystore, Place};

type Result<T> = jni::errors::Result<T>;

/// The provider's name.
const PROVIDER: &str = "AndroidKeyStore";
/// `KeyProperties.PURPOSE_SIGN`, which also stands for HMAC.
const PURPOSE_SIGN: i32 = 4;
/// From which version of the system a secure element can be asked for, and a level be told.
const STRONGBOX_SINCE: i32 = 28;
const LEVEL_SINCE: i32 = 31;
/// `KeyProperties.SECURITY_LEVEL_*`.
const LEVEL_TEE: i32 = 1;
const LEVEL_STRONGBOX: i32 = 2;

/// Android's Keystore.
pub struct AndroidKeystore {
    vm: JavaVM,
    api_level: i32,
}

impl AndroidKeystore {
    /// The one of this VM, on a system of this API level.
    pub fn new(vm: JavaVM, api_level: i32) -> Self {
        Self { vm, api_level }
    }
}

impl Keystore for AndroidKeystore {
    fn has(&self, kept: Kept) -> std::result::Result<bool, Fault> {
        with(&self.vm, |env| {
            let (store, alias) = (store(env)?, env.new_string(kept.alias())?);
            env.call_method(
                &store,
                jni_str!("containsAlias"),
                jni_sig!("(Ljava/lang/String;)Z"),
                &[(&alias).into()],
            )?
            .z()
        })
    }

    fn make(&self, kept: Kept, place: Place) -> std::result::Result<(), Fault> {
        if place == Place::StrongBox && self.api_level < STRONGBOX_SINCE {
            return Err(Fault::NoSuchPlace);
        }
        with(&self.vm, |env| {
            let specification = specification(env, kept, place)?;
            match kept {
                Kept::Signing => make_signing(env, &specification),
                Kept::Mac => make_mac(env, &specification),
            }
        })
    }

    fn level(&self, kept: Kept) -> std::result::Result<KeyLevel, Fault> {
        let api_level = self.api_level;
        with(&self.vm, |env| {
            let information = information(env, kept)?;
            if api_level < LEVEL_SINCE {
                let inside =
                    env.call_method(&information, jni_str!("isInsideSecureHardware"), jni_sig!("()Z"), &[])?;
                // Which hardware cannot be asked there: the lesser is said.
                return Ok(if inside.z()? { KeyLevel::Tee } else { KeyLevel::Software });
            }
            let level = env.call_method(&information, jni_str!("getSecurityLevel"), jni_sig!("()I"), &[])?;
            Ok(match level.i()? {
                LEVEL_STRONGBOX => KeyLevel::Strongbox,
                LEVEL_TEE => KeyLevel::Tee,
                _ => KeyLevel::Software,
            })
        })
    }

    fn public_key(&self) -> std::result::Result<Vec<u8>, Fault> {
        with(&self.vm, |env| {
            let (store, alias) = (store(env)?, env.new_string(Kept::Signing.alias())?);
            let signature = jni_sig!("(Ljava/lang/String;)Ljava/security/cert/Certificate;");
            let certificate =
                env.call_method(&store, jni_str!("getCertificate"), signature, &[(&alias).into()])?.l()?;
            let signature = jni_sig!("()Ljava/security/PublicKey;");
            let key = env.call_method(&certificate, jni_str!("getPublicKey"), signature, &[])?.l()?;
            let encoded = env.call_method(&key, jni_str!("getEncoded"), jni_sig!("()[B"), &[])?.l()?;
            bytes(env, encoded)
        })
    }

    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Fault> {
        with(&self.vm, |env| {
            let key = key(env, Kept::Signing)?;
            let algorithm = env.new_string("SHA256withECDSA")?;
            let signature = jni_sig!("(Ljava/lang/String;)Ljava/security/Signature;");
            let class = jni_str!("java/security/Signature");
            let signer = env
                .call_static_method(class, jni_str!("getInstance"), signature, &[(&algorithm).into()])?
                .l()?;
            let initialise = jni_sig!("(Ljava/security/PrivateKey;)V");
            env.call_method(&signer, jni_str!("initSign"), initialise, &[(&key).into()])?;
            let message = env.byte_array_from_slice(message)?;
            env.call_method(&signer, jni_str!("update"), jni_sig!("([B)V"), &[(&message).into()])?;
            let signed = env.call_method(&signer, jni_str!("sign"), jni_sig!("()[B"), &[])?.l()?;
            bytes(env, signed)
        })
    }

    fn mac(&self, message: &[u8]) -> std::result::Result<Zeroizing<Vec<u8>>, Fault> {
        with(&self.vm, |env| {
            let key = key(env, Kept::Mac)?;
            let algorithm = env.new_string("HmacSHA256")?;
            let signature = jni_sig!("(Ljava/lang/String;)Ljavax/crypto/Mac;");
            let class = jni_str!("javax/crypto/Mac");
            let mac = env
                .call_static_method(class, jni_str!("getInstance"), signature, &[(&algorithm).into()])?
                .l()?;
            env.call_method(&mac, jni_str!("init"), jni_sig!("(Ljava/security/Key;)V"), &[(&key).into()])?;
            let message = env.byte_array_from_slice(message)?;
            let made =
                env.call_method(&mac, jni_str!("doFinal"), jni_sig!("([B)[B"), &[(&message).into()])?.l()?;
            let array = env.cast_local::<JByteArray<'_>>(made)?;
            let made = Zeroizing::new(env.convert_byte_array(&array)?);
            // Java's own copy: its memory is not ours to clear otherwise.
            array.set_region(env, 0, &vec![0; made.len()])?;
            Ok(made)
        })
    }

    fn delete(&self, kept: Kept) -> std::result::Result<(), Fault> {
        if !self.has(kept)? {
            return Ok(());
        }
        with(&self.vm, |env| {
            let (store, alias) = (store(env)?, env.new_string(kept.alias())?);
            let signature = jni_sig!("(Ljava/lang/String;)V");
            env.call_method(&store, jni_str!("deleteEntry"), signature, &[(&alias).into()])?;
            Ok(())
        })
    }
}

fn bytes(env: &mut Env<'_>, array: JObject<'_>) -> Result<Vec<u8>> {
    let array = env.cast_local::<JByteArray<'_>>(array)?;
    env.convert_byte_array(&array)
}

fn store<'local>(env: &mut Env<'local>) -> Result<JObject<'local>> {
    let provider = env.new_string(PROVIDER)?;
    let signature = jni_sig!("(Ljava/lang/String;)Ljava/security/KeyStore;");
    let class = jni_str!("java/security/KeyStore");
    let store =
        env.call_static_method(class, jni_str!("getInstance"), signature, &[(&provider).into()])?.l()?;
    let signature = jni_sig!("(Ljava/security/KeyStore$LoadStoreParameter;)V");
    env.call_method(&store, jni_str!("load"), signature, &[(&JObject::null()).into()])?;
    Ok(store)
}

fn key<'local>(env: &mut Env<'local>, kept: Kept) -> Result<JObject<'local>> {
    let (store, alias) = (store(env)?, env.new_string(kept.alias())?);
    let signature = jni_sig!("(Ljava/lang/String;[C)Ljava/security/Key;");
    // No password: the system knows who asks.
    let password = JObject::null();
    let arguments = [(&alias).into(), (&password).into()];
    env.call_method(&store, jni_str!("getKey"), signature, &arguments)?.l()
}

/// A `KeyGenParameterSpec`: what the key is for, and where.
fn specification<'local>(env: &mut Env<'local>, kept: Kept, place: Place) -> Result<JObject<'local>> {
    let alias = env.new_string(kept.alias())?;
    let class = jni_str!("android/security/keystore/KeyGenParameterSpec$Builder");
    let builder =
        env.new_object(class, jni_sig!("(Ljava/lang/String;I)V"), &[(&alias).into(), PURPOSE_SIGN.into()])?;
    if kept == Kept::Signing {
        let curve = env.new_string("secp256r1")?;
        let class = jni_str!("java/security/spec/ECGenParameterSpec");
        let curve = env.new_object(class, jni_sig!("(Ljava/lang/String;)V"), &[(&curve).into()])?;
        let signature = jni_sig!(
            "(Ljava/security/spec/AlgorithmParameterSpec;)Landroid/security/keystore/KeyGenParameterSpec$Builder;"
        );
        env.call_method(&builder, jni_str!("setAlgorithmParameterSpec"), signature, &[(&curve).into()])?;
        let digest = env.new_string("SHA-256")?;
        let digests = JObjectArray::<JString<'_>>::new(env, 1, &digest)?;
        let signature =
            jni_sig!("([Ljava/lang/String;)Landroid/security/keystore/KeyGenParameterSpec$Builder;");
        env.call_method(&builder, jni_str!("setDigests"), signature, &[(&digests).into()])?;
    }
    if place == Place::StrongBox {
        let signature = jni_sig!("(Z)Landroid/security/keystore/KeyGenParameterSpec$Builder;");
        env.call_method(&builder, jni_str!("setIsStrongBoxBacked"), signature, &[true.into()])?;
    }
    let signature = jni_sig!("()Landroid/security/keystore/KeyGenParameterSpec;");
    env.call_method(&builder, jni_str!("build"), signature, &[])?.l()
}

fn make_signing(env: &mut Env<'_>, specification: &JObject<'_>) -> Result<()> {
    let (algorithm, provider) = (env.new_string("EC")?, env.new_string(PROVIDER)?);
    let signature = jni_sig!("(Ljava/lang/String;Ljava/lang/String;)Ljava/security/KeyPairGenerator;");
    let arguments = [(&algorithm).into(), (&provider).into()];
    let class = jni_str!("java/security/KeyPairGenerator");
    let generator = env.call_static_method(class, jni_str!("getInstance"), signature, &arguments)?.l()?;
    let signature = jni_sig!("(Ljava/security/spec/AlgorithmParameterSpec;)V");
    env.call_method(&generator, jni_str!("initialize"), signature, &[specification.into()])?;
    env.call_method(&generator, jni_str!("generateKeyPair"), jni_sig!("()Ljava/security/KeyPair;"), &[])?;
    Ok(())
}

fn make_mac(env: &mut Env<'_>, specification: &JObject<'_>) -> Result<()> {
    let (algorithm, provider) = (env.new_string("HmacSHA256")?, env.new_string(PROVIDER)?);
    let signature = jni_sig!("(Ljava/lang/String;Ljava/lang/String;)Ljavax/crypto/KeyGenerator;");
    let arguments = [(&algorithm).into(), (&provider).into()];
    let class = jni_str!("javax/crypto/KeyGenerator");
    let generator = env.call_static_method(class, jni_str!("getInstance"), signature, &arguments)?.l()?;
    let signature = jni_sig!("(Ljava/security/spec/AlgorithmParameterSpec;)V");
    env.call_method(&generator, jni_str!("init"), signature, &[specification.into()])?;
    env.call_method(&generator, jni_str!("generateKey"), jni_sig!("()Ljavax/crypto/SecretKey;"), &[])?;
    Ok(())
}

/// A `KeyInfo`, which the factory of the key's kind gives out.
fn information<'local>(env: &mut Env<'local>, kept: Kept) -> Result<JObject<'local>> {
    let key = key(env, kept)?;
    let provider = env.new_string(PROVIDER)?;
    let asked: JClass<'_> = env.find_class(jni_str!("android/security/keystore/KeyInfo"))?;
    match kept {
        Kept::Signing => {
            let algorithm = env.new_string("EC")?;
            let signature = jni_sig!("(Ljava/lang/String;Ljava/lang/String;)Ljava/security/KeyFactory;");
            let arguments = [(&algorithm).into(), (&provider).into()];
            let class = jni_str!("java/security/KeyFactory");
            let factory =
                env.call_static_method(class, jni_str!("getInstance"), signature, &arguments)?.l()?;
            let signature = jni_sig!("(Ljava/security/Key;Ljava/lang/Class;)Ljava/security/spec/KeySpec;");
            let arguments = [(&key).into(), (&asked).into()];
            env.call_method(&factory, jni_str!("getKeySpec"), signature, &arguments)?.l()
        }
        Kept::Mac => {
            let algorithm = env.new_string("HmacSHA256")?;
            let signature = jni_sig!("(Ljava/lang/String;Ljava/lang/String;)Ljavax/crypto/SecretKeyFactory;");
            let arguments = [(&algorithm).into(), (&provider).into()];
            let class = jni_str!("javax/crypto/SecretKeyFactory");
            let factory =
                env.call_static_method(class, jni_str!("getInstance"), signature, &arguments)?.l()?;
            let signature =
                jni_sig!("(Ljavax/crypto/SecretKey;Ljava/lang/Class;)Ljava/security/spec/KeySpec;");
            let arguments = [(&key).into(), (&asked).into()];
            env.call_method(&factory, jni_str!("getKeySpec"), signature, &arguments)?.l()
        }
    }
}
