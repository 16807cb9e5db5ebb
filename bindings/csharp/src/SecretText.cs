// A setting that may contain a secret, which nothing prints or serializes.

using System;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace BankHub
{
    /// <summary>A text that is or may contain a secret. A string converts to it, and it converts to a string.</summary>
    /// <remarks>ToString, a serializer and a debugger show *** or nothing.</remarks>
    [TypeConverter(typeof(Converter))]
    public sealed class SecretText
    {
        [DebuggerBrowsable(DebuggerBrowsableState.Never)]
        private readonly string text;

        private SecretText(string text) => this.text = text;

        /// <summary>Hides the text. Null remains null.</summary>
        public static implicit operator SecretText(string text) => text == null ? null : new SecretText(text);

        /// <summary>The text itself, which is a secret. Null remains null.</summary>
        public static implicit operator string(SecretText secret) => secret?.text;

        /// <summary>Three asterisks.</summary>
        public override string ToString() => "***";

        /// <summary>Lets a configuration, such as appsettings.json, set it.</summary>
        private sealed class Converter : TypeConverter
        {
            public override bool CanConvertFrom(ITypeDescriptorContext context, Type type) =>
                type == typeof(string) || base.CanConvertFrom(context, type);

            public override object ConvertFrom(ITypeDescriptorContext context, CultureInfo culture, object value) =>
                value is string text ? new SecretText(text) : base.ConvertFrom(context, culture, value);
        }
    }
}
